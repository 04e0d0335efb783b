// A number with its noun, by the rules of English.

const plurals = new Intl.PluralRules("en");
const whole = new Intl.NumberFormat("en");

/** `1 site`, `1,200 sites`. */
export function counted(value: number, one: string, other = `${one}s`): string {
  return `${whole.format(value)} ${plurals.select(value) === "one" ? one : other}`;
}
