for (const s of [process.stdin, process.stdout, process.stderr])
  console.log(s.fd, s.readable, s.writable, s.isTTY, s._type, s.writableHighWaterMark, s.readableHighWaterMark, s._handle && s._handle.constructor.name);
