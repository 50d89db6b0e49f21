process.emitWarning("look", "Custom", "C1");
new Buffer(1);
