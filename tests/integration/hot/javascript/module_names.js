console.log(__filename, __dirname, require.main === module, module.id, module.filename, module.loaded, module.paths, module.parent, module.children.length);
console.log(Object.keys(require.cache), require.resolve("./beside.js"), require.resolve.paths("x"));
