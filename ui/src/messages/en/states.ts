export const states = {
  ready: "Ready",
  degraded: "Degraded",
  down: "Down",
  unknown: "Unknown",
  cordoned: "Cordoned",
} as const;
