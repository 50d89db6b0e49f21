lambda { |stdout, stderr, status|
  return :orange if status == 1
  :amber
}
