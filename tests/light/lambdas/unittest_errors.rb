lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /FAILED \((.*)errors=\d+\)/.match(output)
  return :red   if /FAILED \(failures=(\d+)\)/.match(output)
  return :green if /OK/.match(output)
  return :amber
}
