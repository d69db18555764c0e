// Opens the resident's page with no network. Keeps the files of one release under that release's
// version, and nothing else: answers of the system never enter the cache.

const VERSION = "{{version}}";
const FOLDER = `/static/${VERSION}/`;
const FILES = new Set("{{files}}".split(" ").map((name) => FOLDER + name));
const PAGE = "/";
const FAMILY = "yimatong.page.";
const CACHE = FAMILY + VERSION;

/** A file as the system has it now; an error unless it is this release's. */
async function fetched(path) {
  const response = await fetch(path, { cache: "reload", credentials: "omit", redirect: "error" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  const isOurs = path === PAGE
    ? (await response.clone().text()).includes(FOLDER)
    : response.headers.get("cache-control")?.includes("immutable");
  if (!isOurs) throw new Error(`${path} is of another release`);
  return response;
}

/** All or nothing: a release that is not whole is tried again at the next opening. */
async function keepRelease() {
  const paths = [PAGE, ...FILES];
  const responses = await Promise.all(paths.map(fetched));
  const cache = await caches.open(CACHE);
  await Promise.all(paths.map((path, at) => cache.put(path, responses[at])));
  await skipWaiting();
}

async function takeOver() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(FAMILY) && name !== CACHE)
    .map((name) => caches.delete(name)));
  await clients.claim();
}

async function answer(path, request) {
  const kept = await (await caches.open(CACHE)).match(path);
  return kept ?? fetch(request);
}

addEventListener("install", (event) => event.waitUntil(keepRelease()));
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  const isPage = request.mode === "navigate" && pathname === PAGE;
  if (isPage || FILES.has(pathname)) event.respondWith(answer(pathname, request));
});
