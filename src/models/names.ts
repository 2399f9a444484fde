/** Where a name's vendor stands (`openai/`), and the host's word for how to route (OpenRouter's `:nitro`): the model is the same. */
const ROUTING = /:(?:nitro|floor|online|exacto)$/;
/** `ft:gpt-4o-mini-2024-07-18:team::id` takes what the model takes that it was made of (OpenAI guide "Fine-tuning"). */
const FINE_TUNED = /^ft:([^:]+):/;
/** Dates that tell the states of one model apart. */
const SNAPSHOT = /-(?:\d{4}-\d{2}-\d{2}|\d{8})$/;

/** The name that a model's maker gave it: lower case, without a prefix up to the last slash, and of what it was tuned from. */
export function plainName(name: string): string {
  const plain = name
    .slice(name.lastIndexOf('/') + 1)
    .toLowerCase()
    .replace(ROUTING, '');
  return FINE_TUNED.exec(plain)?.[1] ?? plain;
}

/** Facts about models, the name's pattern first. The patterns are of whole names without a date, or with one that differs. */
export type ByName<Fact> = readonly (readonly [names: RegExp, fact: Fact])[];

/** The first fact that a plain name has, dated as it is or else without its date; undefined for none. */
export function factOf<Fact>(facts: ByName<Fact>, plain: string): Fact | undefined {
  const found = facts.find(([names]) => names.test(plain));
  if (found !== undefined) return found[1];
  const undated = plain.replace(SNAPSHOT, '');
  return undated === plain ? undefined : facts.find(([names]) => names.test(undated))?.[1];
}
