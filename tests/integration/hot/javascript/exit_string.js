process.exitCode = "3";
