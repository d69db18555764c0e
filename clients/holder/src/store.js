// Where a phone's record lives: one value that is read, and changed by one whole step at a time.
// Another platform brings its own store with the same three methods.

const PLACE = "phone";

const settled = (request) => new Promise((done, fail) => {
  request.onsuccess = () => done(request.result);
  request.onerror = () => fail(request.error);
});

/** In IndexedDB. A change is one transaction: two tabs of a page never see the same record twice. */
export class BrowserStore {
  constructor(database) {
    this.database = database;
  }

  /** Rejects where the browser keeps nothing. */
  static async open(name = "yimatong") {
    const asked = indexedDB.open(name, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(PLACE);
    const database = await settled(asked);
    database.onversionchange = () => database.close();
    return new BrowserStore(database);
  }

  /** The record, or null. */
  async read() {
    const place = this.database.transaction(PLACE).objectStore(PLACE);
    return (await settled(place.get(PLACE))) ?? null;
  }

  /** Stores what `step(record)` gives (null: nothing), on the disk before this resolves. What
   *  `step` raises changes nothing. `step` must not wait. */
  change(step) {
    return new Promise((done, fail) => {
      const act = this.database.transaction(PLACE, "readwrite", { durability: "strict" });
      const place = act.objectStore(PLACE);
      let made = null;
      let fault = null;
      act.oncomplete = () => done(made);
      act.onabort = () => fail(fault ?? act.error);
      const asked = place.get(PLACE);
      asked.onsuccess = () => {
        try {
          made = step(asked.result ?? null);
          if (made === null) place.delete(PLACE);
          else place.put(made, PLACE);
        } catch (raised) {
          fault = raised;
          act.abort();
        }
      };
    });
  }
}

/** In memory: for tests, and for pages that keep nothing. */
export class MemoryStore {
  constructor(record = null) {
    this.record = record;
  }

  async read() {
    return structuredClone(this.record);
  }

  async change(step) {
    this.record = structuredClone(step(structuredClone(this.record)));
    return structuredClone(this.record);
  }
}
