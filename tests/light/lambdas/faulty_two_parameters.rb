lambda { |stdout, stderr|
  return :red
}
