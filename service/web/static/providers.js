// Providers' names: the pages' own words, and those that come with the ways to pay.

import { addWords, has, t } from "./language.js";

/** Learns what offered ways `{provider, way, name}` call providers that these pages have no words for. */
export function learnNames(ways) {
  for (const { provider, name } of ways) {
    const key = `way.${provider}`;
    if (name && !has(key)) addWords({ zh: { [key]: name.zh }, en: { [key]: name.en } });
  }
  return ways;
}

/** What a provider or tender is called; its code where nobody told. */
export const providerName = (provider) => (has(`way.${provider}`) ? t(`way.${provider}`) : provider);
