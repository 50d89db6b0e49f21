# Every lambda of lambdas/ on every output of outputs.json (real ones, of frameworks that record ran), on each stream, with
# several statuses, judged by kiln and by this Ruby: they must agree on each, and none may be unsupported.
#
#   ruby corpus.rb JUDGE
require 'json'
require_relative 'oracle'

$VERBOSE = nil

folder = __dir__
lambdas = Dir[File.join(folder, 'lambdas', '*.rb')].sort.to_h { |path| [File.basename(path, '.rb'), File.binread(path)] }
outputs = JSON.parse(File.read(File.join(folder, 'outputs.json')))
oracle = Oracle.new(ARGV[0])
judged = 0
bad = []
colours = Hash.new { |all, name| all[name] = Hash.new(0) }

cases = outputs.flat_map do |_, results|
  results.flat_map do |_, result|
    out, err = result['stdout'].b, result['stderr'].b
    [[out, err, result['status']]] +
      [[out, ''.b], [''.b, out], [''.b, err], [err, out]].product([0, 1, 2, 255]).map { |(o, e), status| [o, e, status] }
  end
end
cases.uniq!
lambdas.each do |name, source|
  cases.each do |out, err, status|
    judged += 1
    result = oracle.compare(source, out, err, status)
    colours[name][oracle.last[0].split.first] += 1
    bad << "#{name}, status #{status}: Ruby #{oracle.last[0]}, kiln #{oracle.last[1]}" unless result == :same
  end
end

puts bad.first(10)
constant = colours.reject { |name, seen| seen.size > 1 || name.start_with?('faulty') }.keys
puts "lambdas that gave one colour to everything, and so show little: #{constant.join(', ')}" if constant.any?
puts "#{lambdas.size} lambdas × #{cases.size} outputs: #{judged} judgements, #{bad.size} disagreements"
exit(bad.empty? && constant.empty? && lambdas.size >= 60 ? 0 : 1)
