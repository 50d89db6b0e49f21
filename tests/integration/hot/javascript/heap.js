const v8 = require("v8");
const s = v8.getHeapStatistics();
console.log(s.heap_size_limit, s.number_of_native_contexts, s.number_of_detached_contexts, v8.cachedDataVersionTag());
console.log(process.memoryUsage().rss > 1e6, process.resourceUsage().userCPUTime > 0);
