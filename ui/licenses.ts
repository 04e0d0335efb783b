// The licences of the packages that the pages are made of, as one text among the assets: minifying drops the notices
// that most of them ask to be kept with every copy.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Plugin } from "vite";

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
}

const NOTICE = /^(licen[cs]e|notice|thirdpartynotices)(\.|-|$)/i;

/** The text: every package that is not for development alone, by name, with its notices in full. */
export function licenseText(root: string): string {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockedPackage>;
  };
  const sections = new Map<string, string>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    const folder = join(root, path);
    if (path === "" || entry.dev || entry.devOptional || entry.optional || !existsSync(folder)) continue;
    const title = `${path.replace(/^.*node_modules\//, "")} ${entry.version ?? ""} (${entry.license ?? "see below"})`;
    const notices = readdirSync(folder)
      .filter((name) => NOTICE.test(name))
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8").trim());
    sections.set(title, [title, "=".repeat(title.length), ...notices].join("\n\n"));
  }
  return `${[...sections.keys()].sort().map((title) => sections.get(title)).join("\n\n\n")}\n`;
}

export function licenses(): Plugin {
  let root = "";
  return {
    name: "edgeatlas-licenses",
    apply: "build",
    configResolved(config) {
      root = config.root;
    },
    generateBundle() {
      this.emitFile({ type: "asset", name: "third-party-licenses.txt", source: licenseText(root) });
    },
  };
}
