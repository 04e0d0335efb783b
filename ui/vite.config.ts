// One bundle, one HTML entry a page. Every script, worker, font and icon becomes a file of its own with its hash in the
// name: the server's Content-Security-Policy allows nothing inline and nothing from another origin.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

import { licenses } from "./licenses.ts";

export default defineConfig({
  plugins: [react(), licenses()],
  base: "/",
  worker: { format: "es" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The editor alone is larger than the bundler's warning; it loads only after the viewer is known.
    chunkSizeWarningLimit: 6000,
    rolldownOptions: {
      input: { dashboard: "index.html", playground: "playground.html" },
      // Libraries mark modules for the React compiler, which is not used here.
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
    },
  },
});
