console.log(new Error("here").stack);
console.trace("there");
Error.prepareStackTrace = (_, frames) => frames.map((f) => [f.getFileName(), f.getLineNumber(), f.getFunctionName(), f.isToplevel()].join());
console.log(new Error().stack);
console.log(Error.stackTraceLimit);
