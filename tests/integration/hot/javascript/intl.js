console.log(new Intl.DateTimeFormat().resolvedOptions(), (1234.5).toLocaleString("de"), new Date(0).toString(), process.versions.icu);
