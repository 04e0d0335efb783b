// The list of examples. Opening one adds a tab, so that nothing a user wrote is lost, and fills its variables from
// this graph where the example asks for that.

import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useState } from "react";

import { execute } from "../api/graphql";
import { t } from "../messages";
import { withCode } from "../parts/withCode";
import { type Example, EXAMPLES, firstText, grouped } from "../examples";

const GROUPS = [...grouped(EXAMPLES)];

export function ExampleList() {
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const variableEditor = useGraphiQL((state) => state.variableEditor);
  const { addTab } = useGraphiQLActions();
  const [opened, setOpened] = useState<string | null>(null);
  const [missing, setMissing] = useState<readonly string[]>([]);

  const open = async (example: Example) => {
    if (!queryEditor || !variableEditor) return;
    const { variables, missing: unknown } = await fill(example);
    setOpened(example.id);
    setMissing(unknown);
    if (queryEditor.getValue().trim() !== "" && queryEditor.getValue() !== example.query) addTab();
    queryEditor.setValue(example.query);
    variableEditor.setValue(Object.keys(variables).length > 0 ? JSON.stringify(variables, null, 2) : "");
    queryEditor.focus();
  };

  return (
    <section className="examples" aria-label={t.playground.examples}>
      <h2>{t.playground.examples}</h2>
      <p className="hint">{t.playground.examplesHint}</p>
      {GROUPS.map(([group, examples]) => (
        <div key={group}>
          <h3>{group}</h3>
          <ul>
            {examples.map((example) => (
              <li key={example.id}>
                <button
                  type="button"
                  data-example={example.id}
                  aria-current={opened === example.id}
                  onClick={() => void open(example)}
                >
                  <b>{example.title}</b>
                  {example.about && <span>{withCode(example.about)}</span>}
                </button>
                {opened === example.id && missing.length > 0 && (
                  <p className="hint" role="status">
                    {t.playground.nothingFor(missing.map((name) => `$${name}`).join(", "))}
                  </p>
                )}
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

/** The example's variables with its lookups answered, and the names of those that this graph has nothing for. */
async function fill(example: Example): Promise<{ variables: Record<string, unknown>; missing: string[] }> {
  const missing: string[] = [];
  const found = await Promise.all(
    example.lookups.map(async ({ variable, query }) => {
      const text = firstText((await execute({ query }).catch(() => ({ data: null }))).data);
      if (text === null) missing.push(variable);
      return [variable, text ?? ""] as const;
    }),
  );
  return { variables: { ...example.variables, ...Object.fromEntries(found) }, missing };
}
