// The frame of every page: the bar, the page that the address names, and what is said when a page fails.

import { lazy, Suspense } from "react";
import { Redirect, Route, Switch } from "wouter";

import type { Viewer } from "../api/session";
import { type Live, LiveContext } from "../live/useTopology";
import { t } from "../messages";
import { TopologyPage } from "../topology/TopologyPage";
import { Bar } from "./Bar";
import { Failure } from "./Failure";
import { NotFound } from "./NotFound";
import { MAP_PATH, TOPOLOGY_PATH } from "./routes";
import { Titled } from "./useTitle";

// The topology is what most people come for; the rest is loaded when it is first looked at.
const EntityPage = lazy(() => import("../details/EntityPage").then((module) => ({ default: module.EntityPage })));
const ListPage = lazy(() => import("../lists/ListPage").then((module) => ({ default: module.ListPage })));
const MapPage = lazy(() => import("../map/MapPage").then((module) => ({ default: module.MapPage })));

interface AppProps {
  readonly viewer: Viewer | null;
  readonly live: Live;
}

export function App({ viewer, live }: AppProps) {
  return (
    <LiveContext value={live}>
      <a className="skip" href="#content">
        {t.shell.skip}
      </a>
      <Bar viewer={viewer} />
      <main id="content" tabIndex={-1}>
        <Failure>
          <Suspense fallback={<p className="loading">{t.shell.loading}</p>}>
            <Switch>
              <Route path="/">
                <Redirect to={`${TOPOLOGY_PATH}${location.search}`} replace />
              </Route>
              <Route path={TOPOLOGY_PATH}>
                <Titled title={t.shell.topology}>
                  <TopologyPage />
                </Titled>
              </Route>
              <Route path={MAP_PATH}>
                <Titled title={t.shell.map}>
                  <MapPage />
                </Titled>
              </Route>
              <Route path="/list/:kind">{({ kind }) => <ListPage key={kind} kind={kind} />}</Route>
              <Route path="/entity/:id">{({ id }) => <EntityPage key={id} id={decodeURIComponent(id)} />}</Route>
              <Route component={NotFound} />
            </Switch>
          </Suspense>
        </Failure>
      </main>
    </LiveContext>
  );
}
