// The ready examples of the playground: the `.graphql` files of `examples/`, in the order of their names. Each opens
// with comment lines that the parser below reads and the list shows; the editor gets what follows them:
//
//   # The title
//   # What it shows, in one or more lines.
//   # group: Heading in the list
//   # variables: {"withinLatencyMs": 8}
//   # lookup site: { sites(first: 1) { nodes { id } } }
//
// `variables` is a JSON object. A `lookup` fills one variable, when the example is opened, with the first text that
// the query's answer holds, so that an example which needs an id of *this* graph runs as it stands.

export interface Lookup {
  readonly variable: string;
  readonly query: string;
}

export interface Example {
  /** The file's name without its extension. */
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly group: string;
  /** The document without the header. */
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly lookups: readonly Lookup[];
}

const DIRECTIVE = /^# (group|variables|lookup(?: (\w+))?): (.*)$/;

/** Reads one file. Throws an `Error` that names the file where the header is not as above. */
export function parseExample(id: string, text: string): Example {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const header = lines.slice(0, end < 0 ? lines.length : end);
  const prose: string[] = [];
  const lookups: Lookup[] = [];
  let group = "";
  let variables: Record<string, unknown> = {};
  for (const line of header) {
    const directive = DIRECTIVE.exec(line);
    if (!directive) {
      prose.push(line.replace(/^# ?/, ""));
    } else if (directive[1] === "group") {
      group = directive[3] ?? "";
    } else if (directive[1] === "variables") {
      variables = JSON.parse(directive[3] ?? "") as Record<string, unknown>;
    } else {
      lookups.push({ variable: directive[2] ?? "", query: directive[3] ?? "" });
    }
  }
  const [title, ...about] = prose;
  if (!title || !group || lookups.some(({ variable }) => !variable)) {
    throw new Error(`${id}: an example opens with "# title", then "# group: …" and named lookups`);
  }
  const query = `${lines.slice(header.length).join("\n").trim()}\n`;
  return { id, title, about: about.join(" ").trim(), group, query, variables, lookups };
}

/** The first text in `data`, depth first in the order of the answer, or null: what a lookup takes. */
export function firstText(data: unknown): string | null {
  if (typeof data === "string") return data;
  if (typeof data !== "object" || data === null) return null;
  for (const value of Object.values(data)) {
    const found = firstText(value);
    if (found !== null) return found;
  }
  return null;
}

/** The examples by heading, both in the order of the files. */
export function grouped(examples: readonly Example[]): ReadonlyMap<string, readonly Example[]> {
  const groups = new Map<string, Example[]>();
  for (const example of examples) {
    const group = groups.get(example.group);
    if (group) group.push(example);
    else groups.set(example.group, [example]);
  }
  return groups;
}

const files = import.meta.glob<string>("./examples/*.graphql", { query: "?raw", import: "default", eager: true });

export const EXAMPLES: readonly Example[] = Object.entries(files)
  .sort(([left], [right]) => (left < right ? -1 : 1))
  .map(([path, text]) => parseExample(path.replace(/^.*\/|\.graphql$/g, ""), text));
