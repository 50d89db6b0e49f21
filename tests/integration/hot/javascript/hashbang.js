#!/usr/bin/env node
console.log(require("fs").readFileSync(__filename, "utf8").length);
