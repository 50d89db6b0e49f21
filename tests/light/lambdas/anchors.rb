lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /\AF|^E\s/.match(output)
  return :green if /^OK\Z|^PASS\b/.match(output)
  return :amber
}
