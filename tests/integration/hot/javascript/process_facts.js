const p = process;
console.log(p.version, p.cwd(), p.umask().toString(8), p.ppid, p.exitCode, p.platform, p.arch, p.release.name, p.config.variables.napi_build_version);
console.log(p.allowedNodeEnvironmentFlags.size, p.stdin.isTTY, p.stdout.isTTY, p.getActiveResourcesInfo(), p.listenerCount("exit"), p.eventNames());
console.log(p.features, p.report.directory, p.noDeprecation, p.throwDeprecation, p.debugPort);
