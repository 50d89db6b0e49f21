p require("set"), require("json"), require("stringio"), require("json"), JSON.generate([1]), require_relative("beside"), beside, load("beside.rb")
require "not/there"
