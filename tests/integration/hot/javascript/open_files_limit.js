const fs = require("fs");
let n = 0;
try {
  for (;;) {
    fs.openSync("/dev/null");
    n++;
  }
} catch (error) {
  console.log(n, error.code);
}
