export const playground = {
  title: "Playground",
  pages: "Pages",
  dashboard: "Dashboard",
  signedIn: "Signed in",
  signedInAs: "Signed in as",
  roles: (roles: string) => ` · ${roles}`,
  signOut: "Sign out",
  examples: "Examples",
  examplesHint: "Each opens in a tab of its own; run it with Ctrl-Enter.",
  nothingFor: (variables: string) => `Nothing was found for ${variables}: fill it in under Variables.`,
  notLoaded: "The editor could not be loaded. Reload the page; the plain playground is at /playground/plain.",
} as const;
