lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if status === 0
  return :amber if status === 2 || status === 255
  return :red
}
