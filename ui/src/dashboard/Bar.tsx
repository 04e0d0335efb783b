// The bar of every page: where one is, what is looked for, how current it is, and who one is.

import { useState } from "react";
import { Button, Menu, MenuItem, MenuSection, MenuTrigger, Header, Popover } from "react-aria-components";
import { Link, useLocation, useSearch } from "wouter";

import { rolesInWords, signInUrl, signOut, type Viewer } from "../api/session";
import { t } from "../messages";
import { FeedState } from "./FeedState";
import { FIND, listPath, MAP_PATH, PLAYGROUND_PATH, TOPOLOGY_PATH, withQuery } from "./routes";
import { THEMES, type Theme, theme, useTheme } from "./theme";

const PAGES = [
  { path: TOPOLOGY_PATH, title: t.shell.topology, under: TOPOLOGY_PATH },
  { path: MAP_PATH, title: t.shell.map, under: MAP_PATH },
  { path: listPath("sites"), title: t.shell.inventory, under: "/list" },
  { path: listPath("deployments"), title: t.shell.deployments, under: listPath("deployments") },
  { path: listPath("operations"), title: t.shell.operations, under: listPath("operations") },
  { path: listPath("events"), title: t.shell.events, under: listPath("events") },
] as const;

export function Bar({ viewer }: { readonly viewer: Viewer | null }) {
  const [path] = useLocation();
  const search = useSearch();
  const find = new URLSearchParams(search).get(FIND);
  const current = [...PAGES].sort((a, b) => b.under.length - a.under.length).find((page) => path.startsWith(page.under));
  return (
    <header className="bar">
      <strong className="brand">{t.shell.product}</strong>
      <nav aria-label={t.shell.pages}>
        <ul>
          {PAGES.map((page) => (
            <li key={page.path}>
              {/* What is looked for goes along from page to page. */}
              <Link href={withQuery(page.path, "", { [FIND]: find })} aria-current={page === current ? "page" : undefined}>
                {page.title}
              </Link>
            </li>
          ))}
          <li>
            <a href={PLAYGROUND_PATH}>{t.shell.playground}</a>
          </li>
        </ul>
      </nav>
      <FeedState />
      <Account viewer={viewer} />
    </header>
  );
}

function Account({ viewer }: { readonly viewer: Viewer | null }) {
  const { choice } = useTheme();
  const [problem, setProblem] = useState<string | null>(null);
  const leave = async () => {
    try {
      await signOut();
      location.assign(signInUrl(location.pathname));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const name = viewer?.name ?? t.shell.account;
  return (
    <>
      {problem !== null && (
        <span role="alert" className="problem">
          {problem}
        </span>
      )}
      <MenuTrigger>
        <Button className="account" aria-label={viewer ? t.shell.signedInAs(viewer.name) : t.shell.account}>
          {name} <span aria-hidden="true">▾</span>
        </Button>
        <Popover className="popover">
          <Menu aria-label={t.shell.account}>
            <MenuSection
              selectionMode="single"
              selectedKeys={[choice]}
              onSelectionChange={(keys) => {
                const [chosen] = keys === "all" ? [] : [...keys];
                if (THEMES.includes(chosen as Theme)) theme.choose(chosen as Theme);
              }}
            >
              <Header>{t.shell.theme}</Header>
              {THEMES.map((each) => (
                <MenuItem key={each} id={each}>
                  {t.shell.themes[each]}
                </MenuItem>
              ))}
            </MenuSection>
            <MenuSection>
              <Header>{viewer ? rolesInWords(viewer.roles) : t.shell.account}</Header>
              <MenuItem id="sign-out" onAction={() => void leave()}>
                {t.shell.signOut}
              </MenuItem>
            </MenuSection>
          </Menu>
        </Popover>
      </MenuTrigger>
    </>
  );
}
