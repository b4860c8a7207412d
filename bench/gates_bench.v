// Streams images into an accelerator as fast as it takes them, and dumps its gates from the first image's class on.
`timescale 1ns / 1ps

module bench;
  reg clk = 0, rst = 1;
  reg [8*`BYTES-1:0] words[0:`WORDS-1];
  integer next = 0, done = 0, cycles = 0;
  wire taken, valid, last;
  wire [31:0] word;

  accelerator dut (
      .clk(clk), .rst(rst),
      .s_axis_tdata(words[next % `WORDS]), .s_axis_tvalid(next < `WORDS), .s_axis_tready(taken),
      .s_axis_tlast(next % `BEATS == `BEATS - 1), .s_axis_tkeep({`BYTES{1'b1}}),
      .m_axis_tready(1'b1), .m_axis_tvalid(valid), .m_axis_tlast(last), .m_axis_tdata(word),
      .s_axil_awaddr(0), .s_axil_awprot(3'd0), .s_axil_awvalid(1'b0),
      .s_axil_wdata(0), .s_axil_wstrb(4'd0), .s_axil_wvalid(1'b0), .s_axil_bready(1'b1),
      .s_axil_araddr(0), .s_axil_arprot(3'd0), .s_axil_arvalid(1'b0), .s_axil_rready(1'b1)
  );

  always #20 clk = ~clk;

  initial begin
    $readmemh("images.hex", words);
    $dumpfile("gates.vcd");
    #190 rst = 0;
  end

  always @(posedge clk) if (!rst) begin
    if (next < `WORDS && taken) next <= next + 1;
    cycles <= done == 0 ? 0 : cycles + 1;
    if (valid) $display("%0d", word);
    if (valid && last) begin
      done <= done + 1;
      if (done == 0) $dumpvars(0, `DUMPED);
      if (done == `IMAGES - 1) begin
        $display("cycles %0d", cycles);
        $finish;
      end
    end
  end
endmodule
