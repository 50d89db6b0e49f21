console.log("%s %d %i %j %o", "a", 1.5, 1.5, { a: 1 }, [1]);
console.table([{ a: 1 }]);
console.group("g");
console.log("in");
console.groupEnd();
console.count();
console.assert(false, "no");
console.dir({ a: { b: { c: { d: 1 } } } }, { depth: 1 });
console.log([undefined, null, NaN, -0, 1n, Symbol("s"), () => {}, new Map([[1, 2]]), new (class A {})()]);
