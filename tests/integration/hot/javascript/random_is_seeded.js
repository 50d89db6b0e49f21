console.log(new Set(Array.from({ length: 100 }, Math.random)).size, require("crypto").randomBytes(8).length, crypto.randomUUID().length);
