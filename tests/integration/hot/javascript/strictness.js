x = 1;
console.log(delete globalThis.x, (function () { return this === globalThis; })(), arguments.length, arguments[2] === module);
