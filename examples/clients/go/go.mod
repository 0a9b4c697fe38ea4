module opend

go 1.22
