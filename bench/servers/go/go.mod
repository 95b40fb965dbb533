module yardsticks

go 1.19
