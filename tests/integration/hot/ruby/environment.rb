ENV.sort.each { |name, value| puts "#{name}=#{value}" }
require "tmpdir"
p Dir.home, Dir.pwd, Dir.tmpdir
