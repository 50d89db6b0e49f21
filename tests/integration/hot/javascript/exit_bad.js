process.exit("many");
