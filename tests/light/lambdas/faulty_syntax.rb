lambda { |stdout, stderr, status|
  return :green if status ==
}
