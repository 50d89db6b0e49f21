<?php
function inner(array $a, string $long) { throw new DomainException("outer", 5, new LogicException("cause")); }
echo "before\n";
inner([1], str_repeat("long ", 20));
