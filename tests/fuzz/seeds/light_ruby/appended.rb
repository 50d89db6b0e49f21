lambda { |stdout,stderr,status|
  output = stdout + stderr
  text = ''
  text << stdout
  text << stderr
  return text.length > 400 ? :red : :green
}
