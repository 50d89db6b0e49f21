lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if output.match(/error|Error/).nil? && status != 0
  return :green unless output.match(/fail/i)
  return :red
}
