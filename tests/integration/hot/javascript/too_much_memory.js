const kept = [];
for (;;) kept.push(Buffer.alloc(1 << 22, 1));
