const { performance, PerformanceObserver } = require("perf_hooks");
const n = performance.nodeTiming;
console.log(n.name, n.entryType, n.startTime, n.nodeStart >= 0, n.v8Start > 0, n.loopExit, Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 5000);
const t = performance.now();
setTimeout(() => console.log(performance.now() - t >= 49), 50);
