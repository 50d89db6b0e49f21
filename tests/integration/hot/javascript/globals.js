console.log(Object.getOwnPropertyNames(globalThis).sort().join());
console.log(typeof window, typeof self, this === module.exports, typeof fetch, typeof structuredClone);
