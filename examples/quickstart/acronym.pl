# Makes acronyms with a regular expression.
use strict;
use warnings;

for my $phrase ("Portable Network Graphics", "As Soon As Possible") {
	(my $acronym = $phrase) =~ s/(\w)\w*\s*/\U$1/g;
	print "$phrase: $acronym\n";
}
