# Random lambdas from the grammar that src/light reads, on random outputs, judged by kiln and by this Ruby.
#
#   ruby differential.rb JUDGE [COUNT [SEED]]
#
# COUNT judgements, or KILN_LIGHT_RANDOM, or 2000. What kiln calls unsupported or over a limit is no disagreement, but
# must be rare. Prints the first disagreements whole; exits 1 when there are any.
require_relative 'oracle'

$VERBOSE = nil

# Type-directed: each method gives the source of an expression of its type.
class Generator
  WORDS = %w[OK FAILED passed failed tests test error Error: 0 1 2 10 AssertionError ok é ß ==].freeze

  def initialize(random)
    @r = random
  end

  def pick(*list)
    list[@r.rand(list.size)]
  end

  def chance(percent)
    @r.rand(100) < percent
  end

  # --- outputs

  def output
    parts = Array.new(@r.rand(12)) do
      pick("#{@r.rand(12)} tests, #{@r.rand(3)} failures", "OK (#{@r.rand(9)} tests)", "FAILED: x == #{@r.rand(99)}",
           'AssertionError: 1 != 2', "=== #{@r.rand(3)} passed ===", 'file.c:12: error: x', '', "\n", "\n", "\n", "\t", ' ',
           "caf\u00e9", 'ok 1 - adds', 'not ok 2', '..F.', "100%\r50%\r", WORDS[@r.rand(WORDS.size)], "\u{1f600}", 'aab', 'a-b',
           "\xff".b.force_encoding('UTF-8'), '()', "[1]")
    end
    parts.join(pick('', ' ', "\n"))
  end

  # --- regular expressions

  def regex_atom(depth)
    case @r.rand(26)
    when 0..5 then pick('a', 'b', 'OK', 'FAIL', 'test', 'ok', 'é', ' ', '0', '1', 'passed', 'x', '_', '=', '%', ',', '"', '}')
    when 6 then pick('\\.', '\\(', '\\)', '\\[', '\\-', '\\/', '\\:', '\\*', '\\ ', '\\#', '\\"')
    when 7..8 then '\\d'
    when 9 then pick('\\s', '\\S', '\\w', '\\W', '\\D')
    when 10 then pick('\\h', '\\H', '\\R', '\\n', '\\t', '\\x41', '\\u00e9', '\\e', '\\Q', '\\y', '\\N', '\\07')
    when 11..12 then '.'
    when 13 then pick('^', '$', '\\A', '\\z', '\\Z', '\\b', '\\B')
    when 14..16 then regex_class
    when 17..21
      return 'a' if depth <= 0

      inner = regex(depth - 1)
      pick("(#{inner})", "(#{inner})", "(?:#{inner})", "(?=#{inner})", "(?!#{inner})", "(?>#{inner})", "(?i:#{inner})", "(?m:#{inner})",
           "(?<=a)", "(?<!OK)", "(?x: #{inner} )", "(?-i:#{inner})")
    when 22 then pick('\\p{Alpha}', '\\p{Lu}', '\\p{^Digit}', '\\P{L}', '\\p{Space}', '[[:punct:]]', '[[:word:]]', '[[:^alpha:]]')
    when 23 then pick('\\1', '(a)\\1', '(?#x)')
    else pick('tests?', 'failed', '\\d+', '.*', '\\s*')
    end
  end

  def regex_class
    members = Array.new(1 + @r.rand(4)) do
      pick('a', 'b-f', '0-9', '\\d', '\\s', '\\w', '.', ' ', '\\]', '\\-', 'é', '[:alpha:]', '[:digit:]', '[:space:]', '[:upper:]',
           '\\h', '\\H', '\\n', '(', '$', '*', '\\b', '[:^lower:]', '\\p{L}', '|', '\\W')
    end
    "[#{pick('', '', '^')}#{members.join}#{pick('', '', '-')}]"
  end

  def regex(depth = 2)
    Array.new(1 + @r.rand(2)) do
      Array.new(1 + @r.rand(3)) do
        atom = regex_atom(depth)
        # Ruby repeats what is repeated already and anchors too, which is unsupported: it is asked for now and then.
        again = atom.end_with?('?', '*', '+') || atom.start_with?('^', '$', '\\A', '\\z', '\\Z', '\\b', '\\B', '(?=', '(?!', '(?<=', '(?<!')
        atom + (chance(again ? 2 : 25) ? pick('?', '*', '+', '{2}', '{1,3}', '{,2}', '{1,}', '*?', '+?', '??', '*+', '{', '{x}', '{1,2}?') : '')
      end.join
    end.join('|')
  end

  def flags
    chance(20) ? pick('i', 'm', 'x', 'im') : ''
  end

  def regex_literal
    return "/(?<n>#{regex(1)})#{pick('', 'x')}/#{flags}" if chance(4)

    chance(90) ? "/#{regex}/#{flags}" : pick("%r{#{regex(1).delete('{}')}}#{flags}", "/\#{#{str(0)}}/", "/^\#{[1,2].size}/")
  end

  def regex_value(depth)
    return regex_literal if depth <= 0 || chance(80)

    pick("Regexp.new(#{quoted})", "Regexp.new(Regexp.escape(#{str(0)}))", "Regexp.union(#{regex_literal}, #{quoted})",
         "Regexp.union(#{words})", "Regexp.new('^(\\d+) tests', Regexp::IGNORECASE)")
  end

  # --- values

  def quoted
    word = pick(*WORDS, 'a', "\\n", '', 'tests', ' ')
    chance(50) || word.include?('\\') ? "\"#{word}\"" : "'#{word}'"
  end

  def str(depth)
    return pick('o', 'e', 'o', 'both', 'both', quoted) if depth <= 0

    d = depth - 1
    case @r.rand(30)
    when 0..7 then str(0)
    when 8..9 then "(#{str(d)} + #{str(d)})"
    when 10 then "#{str(d)}.#{pick('strip', 'lstrip', 'rstrip', 'chomp', 'reverse', 'to_s', 'dup', 'freeze', 'scrub')}"
    when 11 then "#{str(d)}.gsub(#{regex_value(d)}, #{pick("''", "'x'", "'[\\0]'", "'\\1'", '"\\\\1-"', "'\\\\\\\\'", "'&'", "'\\&'")})"
    when 12 then "#{str(d)}.sub(#{pick(regex_value(d), quoted)}, #{quoted})"
    when 13 then "#{str(d)}.gsub(#{regex_value(d)}) { |m| m + '!' }"
    when 14 then "#{str(d)}[#{pick(int(d), "#{int(d)}, #{int(d)}", "#{int(0)}..#{int(0)}", "#{int(0)}...#{int(0)}", "1..", regex_value(d), "#{regex_value(d)}, 1", quoted)}].to_s"
    when 15 then "#{words(d)}.join(#{pick('', quoted)})"
    when 16 then "#{int(d)}.to_s"
    when 17 then "\"\#{#{str(d)}}-\#{#{int(d)}}\""
    when 18 then "(#{bool(d)} ? #{str(d)} : #{str(d)})"
    when 19 then "#{words(d)}.first.to_s"
    when 20 then "#{match(d)}.to_s"
    when 21 then "(#{match(d)} || ['', ''])[#{pick(0, 1)}].to_s"
    when 22 then "#{str(d)}.partition(#{pick(quoted, regex_value(d))})[#{@r.rand(3)}]"
    when 23 then "(#{str(d)} * #{@r.rand(3)})"
    when 24 then "#{words(d)}.map { |w| w[0].to_s }.join"
    when 25 then "#{words(d)}.#{pick('min', 'max', 'last', 'sort.first', 'reverse.first', 'compact.first', 'find { |w| w.size > 1 }')}.to_s"
    when 26 then pick('$1.to_s', '$~.to_s', "($~ ? $~.pre_match : '')", "($~ ? $~[0] : 'x')", '$&.to_s', "$'.to_s", "Regexp.last_match(1).to_s")
    when 27 then "#{str(d)}.delete_prefix(#{quoted})"
    when 28 then "begin #{str(d)} end"
    else "#{str(d)}.#{pick('upcase', 'downcase', 'capitalize')}"
    end
  end

  def words(depth = 0)
    return pick("%w[OK FAILED test]", "['a', 'tests', '']", 'both.lines', 'both.split', '%w(0 1 2)') if depth <= 0

    d = depth - 1
    case @r.rand(14)
    when 0..2 then words(0)
    when 3 then "#{str(d)}.scan(#{regex_value(d)}).flatten.compact"
    when 4 then "#{str(d)}.split(#{pick('', quoted, regex_value(d))})"
    when 5 then "#{str(d)}.lines"
    when 6 then "#{words(d)}.select { |w| w#{pick(' =~ ', '.match ', '.match? ')}#{regex_literal} }"
    when 7 then "#{words(d)}.reject(&:empty?)"
    when 8 then "#{words(d)}.grep(#{regex_value(d)})"
    when 9 then "(#{words(d)} + #{words(d)})"
    when 10 then "#{words(d)}.#{pick('uniq', 'sort', 'reverse', 'first(2)', 'last(1)', 'drop(1)', 'map(&:strip)', 'flatten')}"
    when 11 then "(#{words(d)} - #{words(d)})"
    when 12 then "#{str(d)}.chars"
    else "#{words(d)}.map { |w| w + 'x' }"
    end
  end

  def int(depth)
    return pick('0', '1', '2', '5', 's', '-1', '3') if depth <= 0

    d = depth - 1
    case @r.rand(18)
    when 0..4 then int(0)
    when 5 then "#{str(d)}.#{pick('size', 'length', 'bytesize', 'to_i')}"
    when 6 then "#{words(d)}.#{pick('size', 'count', 'length', 'count(&:empty?)', "count { |w| w == '' }", "count('OK')")}"
    when 7 then "(#{int(d)} #{pick('+', '-', '*')} #{int(d)})"
    when 8 then "(#{int(d)} #{pick('/', '%')} #{pick('2', '3', int(d))})"
    when 9 then "(#{str(d)} =~ #{regex_value(d)}).to_i"
    when 10 then "#{str(d)}.scan(#{regex_value(d)}).#{pick('size', 'count', 'length')}"
    when 11 then "#{words(d)}.map(&:to_i).#{pick('sum', 'max.to_i', 'inject(0) { |a, b| a + b }', 'reduce(0, :+)', 'sort.last.to_i')}"
    when 12 then "#{match(d)}.to_a.size"
    when 13 then "(#{str(d)}.index(#{pick(quoted, regex_value(d))}) || -1)"
    when 14 then "(#{str(d)}.rindex(#{pick(quoted, '"\\r"')}) || 0)"
    when 15 then "(#{str(d)} <=> #{str(d)})"
    when 16 then "#{int(d)}.#{pick('abs', 'to_i')}"
    else "#{words(d)}.each_with_index { |w, i| w }.size"
    end
  end

  def match(depth)
    d = depth - 1
    pick("#{regex_value(d)}.match(#{str(d)})", "#{str(d)}.match(#{regex_value(d)})", "#{str(d)}.match(#{quoted})")
  end

  def bool(depth)
    return pick('s == 0', 's === 1', 's != 0', "#{regex_literal}.match(both)", "both =~ #{regex_literal}", "e == ''", 'o.empty?', 'true', 's.zero?') if depth <= 0

    d = depth - 1
    case @r.rand(34)
    when 0..3 then bool(0)
    when 4..7 then match(d)
    when 8 then "#{regex_value(d)}.match?(#{str(d)})"
    when 9 then "(#{str(d)} =~ #{regex_value(d)})"
    when 10 then "(#{regex_value(d)} =~ #{str(d)})"
    when 11 then "(#{str(d)} !~ #{regex_value(d)})"
    when 12 then "#{str(d)}.include?(#{str(d)})"
    when 13 then "(#{int(d)} #{pick('==', '!=', '<', '>', '<=', '>=', '===')} #{int(d)})"
    when 14 then "(#{str(d)} #{pick('==', '!=', '<', '>=')} #{str(d)})"
    when 15 then "(#{bool(d)} && #{bool(d)})"
    when 16 then "(#{bool(d)} || #{bool(d)})"
    when 17 then pick("!#{bool(0)}", "(not s.zero?)", "!(#{bool(d)})", "(#{bool(d)} and #{bool(d)})", "(#{bool(d)} or #{bool(d)})")
    when 18 then "#{match(d)}.nil?"
    when 19 then "#{str(d)}.#{pick('empty?', "start_with?('a', 'OK')", "end_with?(#{quoted})")}"
    when 20 then "#{words(d)}.#{pick('any?', 'all?', 'none?', 'one?', 'find')} { |w| #{pick("w == #{quoted}", "w =~ #{regex_literal}", 'w.size > 2', "both.include?(w)")} }"
    when 21 then "#{words(d)}.#{pick('any?', 'none?', 'all?')}(#{regex_literal})"
    when 22 then "#{words(d)}.#{pick('empty?', 'any?', "include?(#{quoted})", 'one?')}"
    when 23 then "both.scan(/(\\d+) (\\w+)/).any? { |n, w| n#{pick(" == '0'", '.to_i > 1')} #{pick('&&', '||')} w#{pick(" == 'tests'", '.size > 5')} }"
    when 24 then "both.scan(/(\\d)(\\D)?/).#{pick('any?', 'all?')} { |m| m[#{@r.rand(3)}] #{pick('==', '!=')} #{pick("'0'", 'nil')} }"
    when 25 then "#{int(d)}.#{pick('zero?', 'positive?', 'negative?', 'even?', 'odd?', 'between?(0, 3)')}"
    when 26 then "(#{regex_value(d)} === #{pick(str(d), 'nil', ':ok')})"
    when 27 then "(#{pick('0..2', '1...5')}).include?(#{int(d)})"
    when 28 then "(x = #{int(d)}; x > 1)"
    when 29 then "(#{match(d)}&.captures || []).any?"
    when 30 then "[#{int(0)}, #{int(d)}].include?(s)"
    when 31 then pick('nil', 'false', 'true', 's', 'o', '$1', 'both.lines.first')
    when 32 then "#{str(d)}.match(#{regex_value(d)}).to_a.any?"
    else "case #{int(d)} when 0, 1 then true when 2..9 then false else #{bool(d)} end"
    end
  end

  # --- statements

  def colour
    pick(':red', ':amber', ':green', ':red', ':amber', ':green', "'red'", ':"green"', chance(3) ? ':blue' : ':green', chance(3) ? 'nil' : ':amber')
  end

  def statement(depth)
    case @r.rand(16)
    when 0..3 then "return #{colour} if #{bool(2)}"
    when 4 then "return #{colour} unless #{bool(2)}"
    when 5 then "if #{bool(2)}\n#{body(depth - 1)}\nend"
    when 6 then "if #{bool(2)}\n#{body(depth - 1)}\nelsif #{bool(1)}\n#{body(depth - 1)}\nelse\n#{body(depth - 1)}\nend"
    when 7 then "if m = #{match(1)}\n  return #{colour} if m[#{@r.rand(3)}] #{pick('==', '!=')} '0'\n  return #{colour}\nend"
    when 8 then "v = #{pick(str(2), int(2))}"
    when 9 then "unless #{bool(1)}\n#{body(depth - 1)}\nelse\n#{body(depth - 1)}\nend"
    when 10 then "%w(\n Error\n OK ).each do |w|\n  return #{colour} if both.match(/\#{w}: x|#{regex(1)}/)\nend"
    when 11 then "#{words(1)}.each { |w| #{pick('next', 'break', "return #{colour}")} if #{pick('w.size > 3', "w =~ /\\d/")} }"
    when 12 then "case both\nwhen #{regex_literal} then return #{colour}\nwhen #{regex_literal}, #{regex_literal}\n  return #{colour}\nelse\n  #{body(depth - 1)}\nend"
    when 13 then "both = both#{pick(" + ''", '.strip', ".gsub(/\\e\\[\\d+m/, '')", '.lines.first.to_s', "[(both.rindex(\"\\r\") || -1) + 1..-1]")}"
    when 14 then pick("t = ''\nt << o << e\nreturn #{colour} if t == both", "a, b = both.split(' ')\nreturn #{colour} if a == b", "n ||= #{int(1)}\nn += 1\nreturn #{colour} if n > 2",
                      "#{bool(1)} and return #{colour}", "#{bool(1)} or return #{colour}", "# a comment\n\n")
    else "return #{bool(2)} ? #{colour} : #{colour}"
    end
  end

  def body(depth)
    return colour if depth <= 0

    (Array.new(@r.rand(3)) { statement(depth) } << pick(colour, colour, "return #{colour}", "#{bool(1)} ? #{colour} : #{colour}")).join("\n")
  end

  def program
    open, close = pick(['lambda { |o,e,s|', '}'], ['lambda do |o, e, s|', 'end'], ['->(o,e,s) {', '}'], ['-> (o, e, s) do', 'end'], ["\n# x\nlambda { |o, e, s|", "}\n# red\n"])
    statements = Array.new(1 + @r.rand(4)) { statement(2) }
    "#{open}\n  both = #{pick('o + e', 'o + e', 'o + e', '"#{o}#{e}"', '[o, e].join', "o\n    .+(e)").sub("o\n    .+(e)", 'o + e')}\n#{statements.join("\n")}\n#{colour}\n#{close}"
  end

  # An expression whose value itself is compared.
  def expression
    pick(str(3), int(3), words(3), "!!(#{bool(3)})", "#{str(1)}.scan(#{regex_value(1)})", "(#{match(2)}).to_a")
  end
end

judge, count, seed = ARGV
count = (count || ENV['KILN_LIGHT_RANDOM'] || 2000).to_i
seed = (seed || ENV['KILN_LIGHT_SEED'] || 7).to_i
random = Random.new(seed)
generator = Generator.new(random)
oracle = Oracle.new(judge)
tally = Hash.new(0)
colours = Hash.new(0)
shown = 0
why = Hash.new(0)

# Half of them are whole lambdas; in the others a lambda says whether an expression has the value that Ruby gives it.
def value_lambda(expression, out, err, status)
  prefix = "lambda { |o, e, s|\n  both = o + e\n"
  value = Timeout.timeout(5) do
    eval("#{prefix}  #{expression}\n}").call(out.dup.scrub(''), err.dup.scrub(''), status)
  end
  "#{prefix}  (#{expression}) == #{value.inspect.gsub(/\#(?=[{@$])/, '\\\\#').gsub('\\u0000', '\\x00')} ? :green : :red\n}"
rescue Exception # rubocop:disable Lint/RescueException
  "#{prefix}  (#{expression})\n  :green\n}"
end

count.times do |i|
  out = generator.output
  err = generator.chance(40) ? generator.output : ''
  status = generator.pick(0, 0, 1, 2, 42, 255)
  source = i.even? ? generator.program : value_lambda(generator.expression, out, err, status)
  result = oracle.compare(source, out, err, status)
  tally[result] += 1
  colours[oracle.last[0].split.first] += 1 if oracle.last
  why[oracle.last[1].sub(/line \d+, column \d+: /, '').sub(/byte \d+/, 'byte N')] += 1 if %i[unsupported limit].include?(result)
  next unless result == :different && (shown += 1) <= 5

  puts "--- seed #{seed}, number #{i}: Ruby says #{oracle.last[0]}, kiln says #{oracle.last[1]}", source,
       "stdout #{out.inspect}", "stderr #{err.inspect}", "status #{status}"
end

why.sort_by { |_, n| -n }.first(ENV['KILN_LIGHT_WHY'].to_i).each { |sentence, n| puts "#{n} × #{sentence}" }
puts "#{count} judgements with seed #{seed}: #{tally.map { |k, n| "#{n} #{k}" }.join(', ')}; of Ruby's: " +
     colours.map { |k, n| "#{n} #{k}" }.join(', ')
rare = tally[:unsupported] + tally[:limit] <= count / 5
puts 'too many are unsupported' unless rare
exit(tally[:different].zero? && rare ? 0 : 1)
