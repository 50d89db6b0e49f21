# What both tests against real Ruby share: kiln's judge as a child process, and Ruby's own judgement as cyber-dojo's
# runner makes it: eval, call with (stdout, stderr, status), to_s, and nothing but a colour will do.
require 'timeout'

module Empty
  def self.binding
    super
  end
end

class Oracle
  COLOURS = %w[red amber green].freeze

  def initialize(judge)
    @judge = IO.popen([judge], 'r+b')
    @source = nil
  end

  # "red", "amber", "green" or "faulty …" with kiln's kind and sentence.
  def kiln(source, out, err, status)
    if source != @source
      @source = source
      @compiled = ask("L #{source.bytesize}\n", source)
    end
    return @compiled unless @compiled == 'ok'

    ask("J #{status} #{out.bytesize} #{err.bytesize}\n", out, err)
  end

  # The same from Ruby; nil when it takes too long.
  def ruby(source, out, err, status)
    if source != @ruby_source
      @ruby_source = source
      @lambda = begin
        Empty.binding.eval(source.dup.force_encoding('UTF-8'))
      rescue Exception => e # rubocop:disable Lint/RescueException
        e
      end
    end
    return "faulty #{@lambda.class}" if @lambda.is_a?(Exception)

    colour = Timeout.timeout(5) { @lambda.call(text(out), text(err), status).to_s }
    COLOURS.include?(colour) ? colour : 'faulty colour'
  rescue Timeout::Error
    nil
  rescue Exception => e # rubocop:disable Lint/RescueException
    "faulty #{e.class}: #{e.message.lines.first}"
  end

  # :same, :unsupported, :limit, or :different
  def compare(source, out, err, status)
    theirs = ruby(source, out, err, status)
    return :limit if theirs.nil?

    @last = [theirs, ours = kiln(source, out, err, status)]
    case ours
    when /\Afaulty unsupported/ then :unsupported
    when /\Afaulty limit/ then :limit
    when /\Afaulty/ then theirs.start_with?('faulty') ? :same : :different
    else ours == theirs ? :same : :different
    end
  end

  attr_reader :last

  private

  def text(bytes)
    bytes.dup.force_encoding('UTF-8').scrub('')
  end

  def ask(*parts)
    parts.each { |part| @judge.write(part) }
    @judge.flush
    answer = @judge.gets
    abort "kiln's judge died on #{parts.inspect}" unless answer
    answer.chomp.force_encoding('UTF-8')
  end
end
