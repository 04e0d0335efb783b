// GraphiQL with the session's fetcher, the header, and the examples beside the documentation explorer.

import "../monaco-workers";
import "graphiql/style.css";

import type { GraphiQLPlugin } from "@graphiql/react";
import { GraphiQL, type GraphiQLProps, HISTORY_PLUGIN } from "graphiql";

import { useState } from "react";

import { chooseOperation, createSocket, execute, subscribe } from "../api/graphql";
import { SignedOut, signInUrl, type Viewer } from "../api/session";
import { EXAMPLES } from "../examples";
import { t } from "../messages";
import { ExampleList } from "./ExampleList";
import { Header } from "./Header";
import { editorStorage } from "./storage";

const socket = createSocket(location.origin);

type Fetcher = GraphiQLProps["fetcher"];

const fetcher: Fetcher = (({ query, operationName, variables }, options) => {
  const chosen = chooseOperation(query, operationName);
  const operation = { query, operationName: chosen.operationName, variables };
  if (chosen.subscription) return subscribe(socket, operation);
  return execute(operation, options?.headers).catch((error: unknown) => {
    if (error instanceof SignedOut) location.assign(signInUrl(location.pathname));
    throw error;
  });
}) as Fetcher;

function ExamplesIcon() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M4 5.5h10M4 12h10M4 18.5h10" strokeLinecap="round" />
      <path d="m17 9 4 3-4 3z" fill="currentColor" strokeLinejoin="round" />
    </svg>
  );
}

const EXAMPLES_PLUGIN: GraphiQLPlugin = { title: t.playground.examples, icon: ExamplesIcon, content: ExampleList };
const PLUGINS = [EXAMPLES_PLUGIN, HISTORY_PLUGIN];
const FIRST = EXAMPLES[0];

export function Playground({ viewer }: { readonly viewer: Viewer | null }) {
  const [storage] = useState(() => editorStorage(localStorage, viewer?.name ?? ""));
  return (
    <div className="page">
      <Header viewer={viewer} onSignedOut={storage.forget} />
      <main className="editor">
        <GraphiQL
          fetcher={fetcher}
          plugins={PLUGINS}
          visiblePlugin={t.playground.examples}
          storage={storage}
          defaultEditorToolsVisibility="variables"
          shouldPersistHeaders={false}
          showPersistHeadersSettings={false}
          {...(FIRST ? { defaultQuery: FIRST.query } : {})}
        >
          <GraphiQL.Logo>
            <span />
          </GraphiQL.Logo>
        </GraphiQL>
      </main>
    </div>
  );
}
