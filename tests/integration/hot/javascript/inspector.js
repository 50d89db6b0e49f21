console.log(require("inspector").url(), process.binding === undefined, process._getActiveHandles().length, process._getActiveRequests().length);
