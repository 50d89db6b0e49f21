const c = require("crypto");
console.log(c.createHash("sha256").update("a").digest("hex"), c.getHashes().length, c.getFips());
c.pbkdf2("a", "b", 10, 16, "sha1", (e, k) => console.log(k.toString("hex")));
