module roadbed

go 1.22
