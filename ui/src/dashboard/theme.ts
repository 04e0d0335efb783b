// Light, dark, or as the system has it. Colours are CSS tokens on the root element; a canvas reads the same tokens, and
// reads them again when `theme.version` has changed.

import { useSyncExternalStore } from "react";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "edgeatlas:theme";
const DARK = "(prefers-color-scheme: dark)";

class ThemeChoice {
  /** Counts changes of what is seen: by choice, or by the system. */
  version = 0;
  private readonly listeners = new Set<() => void>();
  private chosen: Theme;

  constructor() {
    const kept = localStorage.getItem(KEY);
    this.chosen = THEMES.find((theme) => theme === kept) ?? "system";
    this.show();
    matchMedia(DARK).addEventListener("change", () => this.changed());
  }

  get choice(): Theme {
    return this.chosen;
  }

  get isDark(): boolean {
    return this.chosen === "dark" || (this.chosen === "system" && matchMedia(DARK).matches);
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    localStorage.setItem(KEY, theme);
    this.show();
    this.changed();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private show(): void {
    if (this.chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.chosen;
  }

  private changed(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }
}

export const theme = new ThemeChoice();

/** Draws a component again when the theme changes; what it is now. */
export function useTheme(): { readonly choice: Theme; readonly version: number } {
  const version = useSyncExternalStore(theme.subscribe, () => theme.version);
  return { choice: theme.choice, version };
}

let probe: HTMLElement | null = null;

/** The colour of a CSS token, such as `--state-down`, as it is now: for canvases, which know no tokens. */
export function colour(name: string): string {
  if (probe === null) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
