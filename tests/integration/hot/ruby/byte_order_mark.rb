puts "behind a mark", __ENCODING__
