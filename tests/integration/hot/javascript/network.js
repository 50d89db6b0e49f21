const net = require("net");
const server = net.createServer((s) => s.end("hi"));
server.on("error", (e) => console.log(e.code));
server.listen("/tmp/s", () => net.connect("/tmp/s").on("data", (d) => { console.log(String(d)); server.close(); }));
