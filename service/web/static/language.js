// The page's language: Chinese first, English by a switch that this device remembers.

const STORE = "yimatong.language";
const TAGS = { zh: "zh-CN", en: "en" };

let now = localStorage.getItem(STORE) === "en" ? "en" : "zh";
const books = { zh: {}, en: {} };
const listeners = new Set();

function announce() {
  document.documentElement.lang = TAGS[now];
  if (has("page.title")) document.title = t("page.title");
}

/** Adds texts: `{zh: {key: text}, en: {key: text}}`. */
export function addWords(words) {
  Object.assign(books.zh, words.zh);
  Object.assign(books.en, words.en);
  announce();
}

export const has = (key) => key in books[now];

/** The text of a key, with `{name}` replaced by the given values. */
export function t(key, values = {}) {
  const text = books[now][key] ?? books.zh[key] ?? key;
  return text.replace(/\{(\w{1,20})\}/g, (_, name) => String(values[name] ?? ""));
}

export const languageTag = () => TAGS[now];

/** Sets the language; without `remember` only until the page is loaded again. */
export function setLanguage(language, remember = true) {
  now = language === "en" ? "en" : "zh";
  if (remember) localStorage.setItem(STORE, now);
  announce();
  for (const listener of listeners) listener(now);
}

export const otherLanguage = () => (now === "zh" ? "en" : "zh");
export const onLanguage = (listener) => listeners.add(listener);

/** Keys that one language has and the other lacks; empty when the books agree. */
export function unmatchedWords() {
  const lacks = (a, b) => Object.keys(books[a]).filter((key) => !(key in books[b]));
  return [...lacks("zh", "en"), ...lacks("en", "zh")];
}
