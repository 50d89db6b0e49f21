lambda { |stdout, stderr, status|
  raise ArgumentError.new('wibble') if status == 0
  :red
}
